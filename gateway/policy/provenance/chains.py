"""x"""
def judge_chains(*a): return ()
def remembered(t): return None
