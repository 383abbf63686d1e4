"""Carbon: the intensity of a grid region, and the exact sums that turn energy into emissions. Pure."""
