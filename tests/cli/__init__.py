"""The commands, over a real database with the demo data and, where one is asked, a real control socket."""
