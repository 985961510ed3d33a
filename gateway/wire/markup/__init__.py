"""HTML and XML: their tokens, the elements they make, which of these a reader sees, and the texts in them."""
