"""What programs make of their arguments: which start others, read code, touch files, or reach hosts. Tables of data."""
