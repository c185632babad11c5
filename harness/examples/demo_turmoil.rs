use unplug::*;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let n: u64 = std::env::args().nth(2).map_or(1, |n| n.parse().unwrap());
    let sc = match scenario::load(std::path::Path::new(&path), &presets::names()) {
        Ok(s) => s,
        Err(e) => {
            eprintln!("{}", e.render(false));
            std::process::exit(64)
        }
    };
    for v in sc.variants() {
        let t = std::time::Instant::now();
        for seed in 0..n {
            let plan = plan::Plan::new(&path, &v);
            let seed = unplug_reconnect::seed::Seed(seed);
            let f = worlds::fast::run(&plan, seed);
            let lines = |r: &worlds::Run| {
                String::from_utf8(r.history.to_jsonl())
                    .unwrap()
                    .lines()
                    .skip(1)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let r = worlds::turmoil::run(&plan, seed);
            let (a, b) = (lines(&f), lines(&r));
            if a == b {
                if n == 1 {
                    println!("== {:?}: identical, {} events", v.case, a.len());
                }
            } else {
                let i = (0..).find(|&i| a.get(i) != b.get(i)).unwrap();
                println!(
                    "== {:?} seed {seed}: differ at {i} of {} / {}",
                    v.case,
                    a.len(),
                    b.len()
                );
                println!("   fast    {:?}\n   turmoil {:?}", a.get(i), b.get(i));
            }
            if std::env::var("H").is_ok() {
                println!("{}", b.join("\n"));
            }
        }
        if n > 1 {
            let per = t.elapsed() / n as u32;
            println!("{per:?} a run (both worlds)");
        }
    }
}
