//! A line between a browser and the host that can be cut.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

pub(super) struct Line {
    pub(super) address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    cut: Arc<Notify>,
}

impl Line {
    /// A line to this address.
    pub(super) async fn to(host: SocketAddr) -> Self {
        Self::from_to(IpAddr::V4(Ipv4Addr::LOCALHOST), host).await
    }

    /// The same for somebody who sits at another address of this machine.
    pub(super) async fn from_to(from: IpAddr, host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_cut, cut) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (cutting, told) = (Arc::clone(&is_cut), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                // Before it is asked whether the line is cut: a connection that is being made is cut as well.
                let told = Arc::clone(&told).notified_owned();
                if cutting.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(async move {
                    let joined = async {
                        let socket = TcpSocket::new_v4()?;
                        socket.bind(SocketAddr::new(from, 0))?;
                        let mut far = socket.connect(host).await?;
                        tokio::io::copy_bidirectional(&mut near, &mut far).await
                    };
                    // An end that went is no fault of the line.
                    tokio::select! {
                        _ = joined => {}
                        () = told => {}
                    }
                });
            }
        });
        Self { address, is_cut, cut }
    }

    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.cut.notify_waiters();
    }

    pub(super) fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}
