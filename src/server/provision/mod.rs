//! Where the servers come from: Docker, local binaries, a URL.
