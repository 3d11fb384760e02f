"""What all views share: parameters, negotiation, errors and problems, and the manners of responses."""
