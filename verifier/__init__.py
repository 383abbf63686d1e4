"""What proves a credential: canonicalization, proof suites, status, evidence, policy, report; a service at its edge."""
