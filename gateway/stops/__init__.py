"""The stop switch: what is stopped, by whom, why; kept on this machine's disk, and shared with other gateways."""
