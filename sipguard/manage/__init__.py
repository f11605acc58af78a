"""What an administrator may do to the configuration; used alike by the command line, API and pages."""
