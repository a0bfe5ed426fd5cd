"""Writing the controller's ConfigurationState: the I/O around `controller.verdict`."""
