//! The classic first program of a Kafka user, word for word, with a crash in the middle.

use serde_json::json;

use ottla_tests::harness::broker::{Broker, Kind};
use ottla_tests::harness::tools::python;

#[test]
fn the_first_program_reads_its_message_back_after_kill_9() {
    let mut broker = Broker::start();
    let mut program = python::start("first_program");
    let bootstrap = broker.address();
    let produced = program.ask(&json!({"do": "produce", "bootstrap": bootstrap}));
    let delivered = json!([{"error": null, "topic": "meu_topico", "partition": 0, "offset": 0}]);
    assert_eq!(produced["delivered"], delivered, "the topic made itself and the callback was called once");
    broker.kill_9();
    broker.restart();
    let found = program.ask(&json!({"do": "consume", "bootstrap": bootstrap}));
    assert_eq!(found, json!({"key": "chave", "value": "minha mensagem", "partition": 0, "offset": 0}));
}

#[test]
fn sigterm_ends_the_broker_in_order() {
    let mut broker = Broker::start();
    let mut program = python::start("first_program");
    program.ask(&json!({"do": "produce", "bootstrap": broker.address()}));
    // Kafka's process ends with the code of a JVM that was asked to stop.
    let code = if broker.kind() == Kind::Kafka { 143 } else { 0 };
    assert_eq!(broker.terminate(), Some(code));
    broker.restart();
    let found = program.ask(&json!({"do": "consume", "bootstrap": broker.address()}));
    assert_eq!(found["value"], json!("minha mensagem"));
}
