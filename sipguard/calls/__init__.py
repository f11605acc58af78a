"""What happens to a call: admission, the record of the live ones, control of their length, settlement."""
