"""Changes of what is in force: activations now, the change queue on top of them."""
