"""The state that outlives the process: what waits to be written, the file, and its rows."""
