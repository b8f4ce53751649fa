use super::{BrokerRegistrationRequest, DIRECTORIES_MAX, RegisteredListener, is_sensible};
use crate::types::{Str, Uuid};
use std::vec;

#[test]
fn what_no_broker_says_of_itself_is_not_registered() {
    let good = BrokerRegistrationRequest {
        broker_id: 4,
        listeners: vec![RegisteredListener::default()],
        log_dirs: vec![Uuid([1; 16]), Uuid([2; 16])],
        ..Default::default()
    };
    assert!(is_sensible(&good));
    let many = (0..=DIRECTORIES_MAX as u128).map(|number| Uuid((number + 100).to_be_bytes())).collect();
    for bad in [
        BrokerRegistrationRequest { broker_id: -1, ..good.clone() },
        BrokerRegistrationRequest { listeners: vec![], ..good.clone() },
        BrokerRegistrationRequest { listeners: vec![RegisteredListener::default(); 101], ..good.clone() },
        BrokerRegistrationRequest { rack: Some(Str::from("r".repeat(256).as_str())), ..good.clone() },
        BrokerRegistrationRequest { log_dirs: vec![], ..good.clone() },
        BrokerRegistrationRequest { log_dirs: vec![Uuid([1; 16]); 2], ..good.clone() },
        BrokerRegistrationRequest { log_dirs: vec![Uuid::ZERO], ..good.clone() },
        BrokerRegistrationRequest { log_dirs: many, ..good.clone() },
    ] {
        assert!(!is_sensible(&bad), "{} listeners, {} directories", bad.listeners.len(), bad.log_dirs.len());
    }
}
