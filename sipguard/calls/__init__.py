"""Calls from the first INVITE to the settled CDR: admission, control, settlement, and what refusals answer."""
