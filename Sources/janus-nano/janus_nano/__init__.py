"""janus-nano: a small Janus trained by the three stages of the Janus-Pro report, on a drawn world whose truth is known."""
