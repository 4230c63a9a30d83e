fn main() -> anyhow::Result<()> {
    let arg: Vec<String> = std::env::args().skip(1).collect();
    let comparison = rfid_load::Comparison {
        daemon: (&arg[0]).into(), ceiling: (&arg[1]).into(), parent: std::env::temp_dir(),
        measured: std::time::Duration::from_secs_f64(arg[2].parse()?), rounds: arg[3].parse()?, customers: 100_000,
        readers: arg[4].split(',').map(|n| n.parse().unwrap()).collect(), tags: 200,
    };
    comparison.run(&Default::default(), |what| eprintln!("{what}"))?;
    Ok(())
}
