"""What must hold of the files together before anything is derived from them."""
