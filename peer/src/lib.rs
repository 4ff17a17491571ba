//! The Piecemeal engine as a native host: WebRTC data channels and TCP, trackers over WebSocket, HTTP and UDP, web seeds,
//! files on disk. The command line is one user of this library; tests, measurements and the tracker's own seeder are others.
