"""What the control plane needs of this package, and what runs in the containers that it starts."""
