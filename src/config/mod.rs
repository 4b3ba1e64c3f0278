//! What a run was asked to do: typed, validated, stored in the run file. A field that has an option says so itself.

mod choices;
mod combine;
mod definition;
mod model;
mod own_server;
mod premapped;
mod server;
mod server_choice;
mod settings;
mod values;

pub use crate::conninfo::EndpointHost;
pub use choices::{Arrivals, Disconnect, KeepAwakeChoice, Protocol, Statement, Tracing};
pub use definition::Config;
pub use model::Background;
pub(crate) use model::ModelConfig;
pub(crate) use own_server::{GENTLE_CLIENT_RATE, add_pooler, gentle, their_rate};
pub(crate) use server::OwnServer;
pub use server::ServerConfig;
pub use server_choice::ServerChoice;
pub(crate) use settings::different_setting;
