"""What runs inside of a cell: timing and training, their probes, the machine that they run on."""
