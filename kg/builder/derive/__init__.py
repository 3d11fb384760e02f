"""What follows from what was read: figures, and statements by rules with their reasons."""
