"""The file in which a wire process leaves its claims for the next one."""
