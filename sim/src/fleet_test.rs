use super::simulated;

#[test]
fn simulated_time_is_told_in_the_unit_that_fits() {
    let told = [0.04, 90.0, 600.0, 36_000.0].map(simulated);
    let wanted = ["0.0 simulated seconds", "90.0 simulated seconds", "10.0 simulated minutes", "10.0 simulated hours"];
    assert_eq!(told, wanted);
}
