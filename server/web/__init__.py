"""What pages show: front page, tables, figures."""
