"""Records training traces with PyTorch.\n\nUsage: make_traces.py FOLDER\n"""
import json
import sys

import torch

torch.manual_seed(3)
B,F,D,N=8,3,4,2
def T(x): return {"shape":list(x.shape),"data":[float(v) for v in x.detach().flatten().tolist()]}
def lin(i,o):
    k=i**-.5
    return (torch.rand(i,o)*2-1)*k,(torch.rand(o)*2-1)*k
def make(name,note,params,forward,opt,use_fo):
    emb=(torch.rand(B,F,D)*.4-.2).requires_grad_(); fo=(torch.rand(B,F)*.4-.2).requires_grad_()
    dense=torch.rand(B,N); y=(torch.rand(B,1)<.5).float()
    ps={k:v.clone().requires_grad_() for k,v in params.items()}
    tr={"name":name,"note":note,"batch":B,"fields":F,"dim":D,"dense":N,"inputs":{"embeddings":T(emb),"dense":T(dense),"labels":T(y)},"initial":{k:T(v) for k,v in ps.items()},"steps":[]}
    if use_fo: tr["inputs"]["first_order"]=T(fo)
    o=opt(list(ps.values()))
    for s in range(3):
        o.zero_grad(); emb.grad=None; fo.grad=None
        z=forward(ps,emb,fo,dense); l=torch.nn.functional.binary_cross_entropy_with_logits(z,y); l.backward()
        st={"logit":T(z),"loss":l.item(),"grad_embeddings":T(emb.grad),"grads":{k:T(v.grad) for k,v in ps.items()}}
        if use_fo: st["grad_first_order"]=T(fo.grad)
        o.step(); st["params_after"]={k:T(v) for k,v in ps.items()}; tr["steps"].append(st)
    json.dump(tr,open(f"{sys.argv[1]}/{name}.json", "w"))
X=F*D+N
def mlp(ps,x,pre,n,last):
    for i in range(n):
        x=x@ps[f"{pre}w{i}"]+ps[f"{pre}b{i}"]
        if last or i<n-1: x=torch.relu(x)
    return x
def params(pre,ws,d):
    for i in range(len(ws)-1): d[f"{pre}w{i}"],d[f"{pre}b{i}"]=lin(ws[i],ws[i+1])
def dcn():
    p={}
    for i in range(2): p[f"cross_w{i}"],p[f"cross_b{i}"]=lin(X,X)
    params("",[X,8,4],p); p["out_w"],p["out_b"]=lin(X+4,1); return p
def dcn_f(ps,e,fo,d):
    x0=torch.cat([e.flatten(1),d],1); x=x0
    for i in range(2): x=x0*(x@ps[f"cross_w{i}"]+ps[f"cross_b{i}"])+x
    return torch.cat([x,mlp(ps,x0,"",2,True)],1)@ps["out_w"]+ps["out_b"]
def dlrm():
    p={}; params("bottom_",[N,6,D],p); params("top_",[D+F*(F+1)//2,8,1],p); return p
def dlrm_f(ps,e,fo,d):
    b=mlp(ps,d,"bottom_",2,True); v=torch.cat([b[:,None],e],1); z=v@v.transpose(1,2)
    li=[i for i in range(F+1) for j in range(i)]; lj=[j for i in range(F+1) for j in range(i)]
    return mlp(ps,torch.cat([b,z[:,li,lj]],1),"top_",2,False)
def fm():
    p={}; params("",[X,8,4,1],p); p["bias"]=torch.rand(1)*.1; return p
def fm_f(ps,e,fo,d):
    s=e.sum(1); return ps["bias"]+fo.sum(1,keepdim=True)+.5*(s*s-(e*e).sum(1)).sum(1,keepdim=True)+mlp(ps,torch.cat([e.flatten(1),d],1),"",3,False)
O=torch.optim
make("dcn_adam","x; Adam lr .01, betas .9 .999, eps 1e-8",dcn(),dcn_f,lambda p:O.Adam(p,lr=.01),False)
make("dcn_adamw","AdamW lr 0.005, betas (0.9, 0.99), weight decay .1, eps 1e-8",dcn(),dcn_f,lambda p:O.AdamW(p,lr=.005,betas=(.9,.99),weight_decay=.1),False)
make("dlrm_sgd","SGD lr .1",dlrm(),dlrm_f,lambda p:O.SGD(p,lr=.1),False)
make("deepfm_momentum","momentum .9, lr .05",fm(),fm_f,lambda p:O.SGD(p,lr=.05,momentum=.9),True)
