long tax(long amount);
