"""What operators and hooks take: above all, which arguments are connection ids."""
