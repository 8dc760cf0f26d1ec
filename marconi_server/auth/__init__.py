"""Who asks (authentication by strategies), and what they may do (role rules): spec section 10."""
