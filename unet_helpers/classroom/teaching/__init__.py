"""What a teacher makes from the notebooks: students' copies, solutions, slides and handouts."""
