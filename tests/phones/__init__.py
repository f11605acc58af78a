"""Phones and trunks with a password: what they prove, where they register, how they are called."""
