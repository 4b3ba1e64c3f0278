//! etcd, where Patroni's nodes keep what they agree on: a container on this host's loopback, and what is in it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::connect::free_port;
use super::docker::engine_version;
use super::error::ProvisionError;
use super::image::ensure_patroni_image;
use super::process::Process;
use super::scratch::Scratch;
use super::spec::SUPERUSER;

/// How long etcd may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Patroni's scope, which is part of its keys.
pub(super) const SCOPE: &str = "procbench";

/// Where the nodes keep what they agree on; it goes when this is dropped.
#[derive(Debug)]
pub struct Etcd {
    // Held for its end.
    _process: Process,
    pub(super) image: String,
    pub(super) port: u16,
}

impl Etcd {
    /// Starts it; makes sure that the image is there.
    ///
    /// # Errors
    /// When there is no engine, or the image cannot be made.
    pub fn start(progress: &dyn Fn(&str)) -> Result<Self, ProvisionError> {
        engine_version()?;
        let image = ensure_patroni_image(progress)?;
        let scratch = Scratch::new(false)?;
        let (port, peers) = (free_port()?, free_port()?);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let options = [
            "--tmpfs=/procbench:rw,mode=1777".to_owned(),
            format!("--user={SUPERUSER}"),
            "--entrypoint=etcd".to_owned(),
        ];
        let arguments = [
            "--name=e".to_owned(),
            "--data-dir=/procbench/etcd".to_owned(),
            format!("--listen-client-urls={}", url(port)),
            format!("--advertise-client-urls={}", url(port)),
            format!("--listen-peer-urls={}", url(peers)),
            format!("--initial-advertise-peer-urls={}", url(peers)),
            format!("--initial-cluster=e={}", url(peers)),
        ];
        let process = Process::start_container(scratch, &image, &options, &arguments)?;
        Ok(Etcd {
            _process: process,
            image,
            port,
        })
    }

    /// The position of the leader as Patroni stored it last, in bytes of WAL (`optime` in `/status`).
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn stored_position(&self) -> Result<Option<u64>, ProvisionError> {
        Ok(self.get("status")?["optime"].as_u64())
    }

    /// The standbys of which Patroni may promote one with `synchronous_mode` (`sync_standby` in `/sync`).
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn synchronous_standbys(&self) -> Result<Vec<String>, ProvisionError> {
        let sync = self.get("sync")?;
        let names = sync["sync_standby"].as_str().unwrap_or_default();
        let names = names.split(',').filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    }

    /// What is under one of Patroni's keys; null where there is nothing.
    fn get(&self, key: &str) -> Result<Value, ProvisionError> {
        let key = STANDARD.encode(format!("/service/{SCOPE}/{key}"));
        let answer = post(self.port, "/v3/kv/range", &json!({ "key": key }));
        let answer = answer.map_err(ProvisionError::when("etcd does not answer"))?;
        Ok(kept(&answer))
    }
}

/// Sends a request to this host's loopback, and gives the answer with its head.
fn post(port: u16, path: &str, body: &Value) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let body = body.to_string();
    // With this version of HTTP the answer comes in one piece, to the end of the connection.
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The first value of an answer of etcd's; null where there is none.
fn kept(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let value = body["kvs"][0]["value"].as_str();
    let value = value.and_then(|value| STANDARD.decode(value).ok());
    value
        .and_then(|value| serde_json::from_slice(&value).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_from_an_answer_and_none_is_null() {
        let value = STANDARD.encode(r#"{"optime":67243272,"slots":{"n2":67243272}}"#);
        let body = json!({"header": {}, "kvs": [{"value": value, "version": "3"}], "count": "1"});
        let answer = |body: &str| format!("HTTP/1.0 200 OK\r\nServer: etcd\r\n\r\n{body}");
        let found = kept(&answer(&body.to_string()));
        assert_eq!(found["optime"].as_u64(), Some(67_243_272));
        for none in ["{\"header\":{}}", "", "not found"] {
            assert_eq!(kept(&answer(none)), Value::Null);
        }
        assert_eq!(kept(""), Value::Null);
    }
}
