//! What a run was asked to do: typed, validated, stored in the run file.

mod choices;
mod combine;
mod definition;
mod keep_awake;
mod model;
mod own_server;
mod server;
mod server_choice;

pub use choices::{Arrivals, ConfigError, Disconnect, Protocol, Statement};
pub use definition::Config;
pub use keep_awake::KeepAwakeChoice;
pub use model::{Background, ModelConfig};
pub use own_server::{GENTLE_CLIENT_RATE, gentle};
pub use server::{OwnServer, ServerConfig};
pub use server_choice::{EndpointHost, ServerChoice, ServerUrl, ServerUrlError};
