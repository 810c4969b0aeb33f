"""What a candidate policy would do to recorded traffic."""
