"""The text of PDF documents, read in processes that can do nothing else."""
