"""What only the book needs: its records, its ledger of claims, its figures. Nothing outside of here imports from it."""
