"""What HTTP routes and events do: plain values and clients in, a `Reply` out."""
