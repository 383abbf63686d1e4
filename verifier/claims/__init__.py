"""What a credential claims, worked out again from its own figures and from the telemetry that it was made from."""
