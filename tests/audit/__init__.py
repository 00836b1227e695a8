"""`make audit`: are there known vulnerabilities in what is shipped?"""
