"""asyncio around the native engine: what leaves and enters it, and when it is driven."""
