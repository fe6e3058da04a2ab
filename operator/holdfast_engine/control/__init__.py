"""What people and programs ask of Holdfast, as library calls: trigger runs, see them, decide about them."""
