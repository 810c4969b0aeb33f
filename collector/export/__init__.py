"""Where kept points go."""
