"""The stop switch: who and what is stopped, by whom, why; kept on this machine's disk, and shared with other gateways."""
