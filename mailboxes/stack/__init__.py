"""The three containers: brings them up, keeps them as they should be, takes them down."""
