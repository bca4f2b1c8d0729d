"""Small shared types: plain data that every room may import, which import no other room."""
