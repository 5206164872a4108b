"""From the bytes of a file to pictures: images, and the pages of documents."""
