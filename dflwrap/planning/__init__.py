"""What to do next: plans that fit, the ladder, and the policy that answers a failed attempt."""
