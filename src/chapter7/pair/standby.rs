//! A standby, and the network before it.

use super::proxy::Proxy;
use super::spec::{like, spec};
use crate::causes::on_one_line;
use crate::chapter7::order::Order;
use crate::console::tell;
use crate::server::provision::{PairRole, RunningServer, Upstream, provision};

/// A standby that reaches its primary through a proxy.
#[derive(Debug)]
pub struct Standby {
    pub server: RunningServer,
    pub proxy: Proxy,
}

impl Standby {
    /// Starts it as a copy of the primary, by this `application_name`.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub fn start(order: &Order, primary: &RunningServer, name: &str) -> Result<Self, String> {
        let admin = primary.admin_endpoint().ok_or("no superuser")?;
        let sockets = primary
            .make_socket_dir(&format!("proxy-{name}"))
            .map_err(|e| on_one_line(&e))?;
        let (file, to) = admin
            .socket_file()
            .and_then(|to| Some((to.file_name()?.to_owned(), to)))
            .ok_or("the primary has no socket")?;
        let proxy = Proxy::start(&sockets.join(file), to);
        let proxy = proxy.map_err(|e| format!("cannot start the proxy: {e}"))?;
        let upstream = Upstream {
            sockets,
            port: admin.port,
            name: name.to_owned(),
        };
        let spec = spec(order, PairRole::Standby(upstream));
        let server = provision(&like(primary), &spec, &tell).map_err(|e| on_one_line(&e))?;
        tell(&format!(
            "procbench: standby {name}: a copy of it, behind a proxy"
        ));
        Ok(Standby { server, proxy })
    }
}
