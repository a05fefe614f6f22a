"""What the images are built from: their locks, and the steps that install them."""
